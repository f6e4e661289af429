"""`make up`: the whole of Redrive on one machine, supervised, with its own servers if need be.

`python -m config.stack up` runs it, `demo` adds live traffic, `down` stops what another terminal
started. Nothing here is needed where something else (systemd, containers) starts the processes.
"""
