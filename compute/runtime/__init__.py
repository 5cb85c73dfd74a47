"""Device, memory, threads and libraries; nothing here knows a network."""
