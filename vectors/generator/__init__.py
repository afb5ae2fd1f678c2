"""What each file of vectors/ holds, computed with e2ecall.audit.oracle and nothing else of e2ecall.

cases            draws from the seed, whole frames, and what is asked of a refusal
headers          sframe: header, header-edges, header-refused
frames           sframe: gcm, ctr-hmac, aead, their edges, lengths, counters
refusals         sframe: frames that are spoilt, for every suite
key_ids          sframe: key-id, mls, ratchet
scenario         steps that one receiver takes
receivers        sframe: receiver, replay
streams          sframe: contexts, epochs
sender_keys      sframe: ratchet-receiver
codecs           sframe: codec
script           steps that a peer takes, and calls whose sides are taken by turns
hostile          cut and spoilt messages, points of small order, forged signatures
exchange         exchange: exchange, exchange-taken
exchange_refused exchange: offer-refused, answer-refused
payload_refused  exchange: reveal-refused, finish-refused, and those of payloads
control          control: record, record-refused, signed
control_channel  control: channel, channel-sending, message-refused
rekey            rekey: rekey, rk1-refused, rk2-refused
views            sas: picture, qr, typed
links            link: parse, words; sas: words
ledger           ledger: append, verify, entries-refused, heads-refused
"""
