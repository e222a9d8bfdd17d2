"""The addons: mitmproxy's hooks turned into questions to the gate. One class a file, no rules."""
