"""The students: the quantum one and what it is compared with, a file each."""
