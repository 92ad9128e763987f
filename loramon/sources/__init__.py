"""Where facts come from: files, devices, processes. Sources emit unread bytes or columns, never judgements."""
