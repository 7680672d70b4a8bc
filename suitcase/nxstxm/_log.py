"""The log of what runs by itself: ``logging.getLogger("suitcase.nxstxm")``."""

import logging

logger = logging.getLogger("suitcase.nxstxm")
