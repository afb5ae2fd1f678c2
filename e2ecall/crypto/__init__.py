"""The only package that imports `cryptography` and `nacl`: small functions with checked inputs and typed errors."""
