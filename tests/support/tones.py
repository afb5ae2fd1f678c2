"""A sine to be sent, and what recognises it at the other end."""

import numpy as np

RATE = 48_000


def tone(hertz, first, samples, amplitude=0.3):
    """16 bits of a sine at 48 kHz, from sample number `first` on."""
    return (np.sin(2 * np.pi * hertz * (first + np.arange(samples)) / RATE) * amplitude * 32767).astype(np.int16)


def pitch(samples):
    """(the strongest frequency in hertz, its share of the whole power) of a window of samples at 48 kHz."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    power[:3] = 0  # what does not change is no tone
    peak = int(np.argmax(power))
    near = power[max(0, peak - 5) : peak + 6].sum()
    return peak * RATE / len(samples), float(near / power.sum()) if power.sum() else 0.0
