"""What benchmarks/frames.py compares: everything that turns an encoded frame into a sealed one and back.

contestant    what one of them is: a name and two kinds of batch
ours          e2ecall.sframe, and the bare AES-GCM call below it
forged        what refused frames cost, and what they leave behind
davey         PyPI `davey` (Discord's DAVE), two sessions in one group
processes     peers in other languages: builds them, starts them, asks them
"""
