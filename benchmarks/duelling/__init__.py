"""What duelling policies are worth: on a made-up world, on human verdicts, on a judge's."""
