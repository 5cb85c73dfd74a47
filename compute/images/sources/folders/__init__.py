"""Images in folders, of a disk, an archive or a bucket: which files are images, what their folders say."""
