"""What runs in Lambda: standard library only, and no import of the other rooms.

Every import and every class statement is paid at each cold start, from source: values are
NamedTuples, because importing `dataclasses` alone costs a tenth of it.
"""

__version__ = "0.2.0"
