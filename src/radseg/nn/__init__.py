"""Network definitions. Nothing here touches the disk or knows where weights come from."""
