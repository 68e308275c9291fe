"""The fixtures that more than one part of the suite shares."""

pytest_plugins = ["tests.cluster.fixtures"]
