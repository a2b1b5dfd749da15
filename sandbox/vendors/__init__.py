"""Stateful HTTP doubles of the providers: real sockets, the vendor's bodies, faults at will."""
