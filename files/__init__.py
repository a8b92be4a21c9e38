"""Files that messages carry: what they are, decoding of pictures, storing, uploads, serving."""
