"""What all tests have in common."""

from hypothesis import settings

# a busy machine is no defect: how long something may take is said by benchmarks and timeouts
settings.register_profile("house", deadline=None)
settings.load_profile("house")
