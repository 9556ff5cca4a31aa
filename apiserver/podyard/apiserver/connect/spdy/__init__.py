"""SPDY/3.1, as much of it as Kubernetes' streams use (github.com/moby/spdystream is the other end).

A connection is a series of frames: control frames that open and reset streams, and data frames.
`podyard.api.spdy` turns bytes into frames and back; `session` keeps the streams of one connection.

What is different from the specification, because spdystream does so and every kubectl relies on it:
nobody keeps flow control windows (WINDOW_UPDATE is read and passed over; the pace is that of the
connection beneath), and there is no priority.
"""
