"""The published formulas as slow loops over pixels, in numpy and float64: what the library is compared with."""
