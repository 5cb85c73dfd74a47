"""Parts of the Image page; the Neighbours page takes those of the neighbours too."""
