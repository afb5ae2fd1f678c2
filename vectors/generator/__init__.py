"""What each file of vectors/sframe holds, computed with e2ecall.audit.oracle and nothing else of e2ecall.

cases        draws from the seed, whole frames, and what is asked of a refusal
headers      header, header-edges, header-refused
frames       gcm, ctr-hmac, aead, their edges, lengths, counters
refusals     frames that are spoilt, for every suite
key_ids      key-id, mls, ratchet
scenario     steps that one receiver takes
receivers    receiver, replay
streams      contexts, epochs
sender_keys  ratchet-receiver
codecs       codec
"""
