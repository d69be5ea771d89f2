"""The sub-commands of ``watchstander``, one file each.

A file has ``add(commands)``, which declares the sub-command, and imports what it needs when it
runs: ``watchstander plan`` must not wait for three chat platforms to load.
"""
