"""The queue in front of the device, the requests for it, and the results that are kept."""
