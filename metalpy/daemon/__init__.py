"""The programs that wire the rooms together: controller and speaker."""
