"""What `cdpoll serve local` serves on this machine: the status page, metrics and health. It reads only."""
