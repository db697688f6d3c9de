"""Joules: read from the devices, divided among the calls that ran on them.

    nvml, rapl, sensors   how a device is read, and what it refuses
    watching              a thread a device: readings become windows
    calls, idle, weights, books, attribution   pure: windows are divided among calls
    configuration, agent, reporting            the meter as a whole
    accounts, carbon, picture                  what is shown

Inside, joules are whole nanojoules, so that sums close exactly. Times are seconds since the
epoch, read from a clock that never goes back. `pynvml` is imported in `nvml` only, when a
device is opened: everything else runs where there is no GPU, no driver and no library.
"""
