"""Feelback's Telegram bot: handlers, replies, pictures and the durable inbox."""
