"""Files whose values Pillow does not keep: arrays, TIFF of many channels, PNG of 16 bits a color."""
