"""The training of the small model that reads messages: run by ``make model``, never by the bot."""
