"""``cdpoll demo``: the main job from end to end, with nothing simulated but the vendor."""
