"""The watch cache: every object in memory, and the recent changes.

All reads come from here. It follows the storage's log, so it is as fresh as the last commit that
it was told of; a writer waits until its own write has arrived (`Cacher.reached`). For each
resource it keeps the objects with their labels and selectable fields, a bounded history that
watches and consistent lists go back to, and the watchers. An event's bytes are made once for all
of them. A watcher that does not read is cut off: its stream ends and the client lists again.
"""
