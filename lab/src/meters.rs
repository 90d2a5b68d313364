//! CPU, throttling, memory and context switches of containers and processes, read from cgroups of version 1 and 2.
