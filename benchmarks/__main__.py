"""`python -m benchmarks`: speed of the model, then the bot as a whole."""

from benchmarks import chat, speed

if __name__ == "__main__":
    speed.main()
    chat.main()
