"""Secrets that can be told by their shape: keys and tokens with the prefixes of those who give them out, private keys,
JSON web tokens, passwords in URLs."""

import re
from collections.abc import Iterator

# Each shape is looked for at the beginning of a word only, and none can fail after more than it can give back: the
# time stays in proportion to the text.
_SHAPES = re.compile(
    r"""(?<![\w-]) (?:
      (?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?!\w)                        # AWS
    | AIza[\w-]{35}(?![\w-]) | ya29\.[\w-]{20,} | GOCSPX-[\w-]{28}       # Google
    | gh[pousr]_[A-Za-z0-9]{36,255} | github_pat_\w{60,255}             # GitHub
    | gl(?:pat|dt|rt|cbt|ptt|soat)-[\w-]{20,}                            # GitLab
    | xox[abeoprs]-[\w-]{10,} | xapp-[\w-]{20,}                          # Slack
    | https://hooks\.slack\.com/services/[\w/]{20,}
    | [rsp]k_(?:live|test)_[A-Za-z0-9]{16,} | whsec_[A-Za-z0-9+/=]{20,}  # Stripe
    | sk-[\w-]{20,}                                                      # OpenAI, Anthropic, DeepSeek, OpenRouter
    | (?:gsk|hf|nvapi|pplx|r8|xai|tgp_v1)[_-][\w-]{30,}                  # Groq, Hugging Face, NVIDIA, Replicate, xAI …
    | SG\.[\w-]{16,32}\.[\w-]{16,64}                                     # SendGrid
    | key-[0-9a-f]{32}(?!\w) | SK[0-9a-f]{32}(?!\w)                      # Mailgun, Twilio
    | npm_[A-Za-z0-9]{36}(?!\w) | pypi-[\w-]{50,} | rubygems_[0-9a-f]{48}
    | do[opr]_v1_[0-9a-f]{64} | shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}       # DigitalOcean, Shopify
    | dapi[0-9a-f]{32}(?!\w) | dckr_pat_[\w-]{20,} | dp\.pt\.\w{40,}      # Databricks, Docker, Doppler
    | lin_api_\w{32,} | ntn_\w{40,} | secret_[A-Za-z0-9]{43}(?!\w)        # Linear, Notion
    | [0-9]{8,10}:AA[\w-]{33}(?![\w-])                                   # Telegram
    | hv[sbr]\.[\w-]{24,} | AGE-SECRET-KEY-1[0-9A-Z]{58}                 # Vault, age
    | eyJ[\w-]{8,}+\.eyJ[\w-]{8,}+\.[\w-]{8,}                            # JSON web token
    | -----BEGIN[ ][A-Z0-9 ]{0,40}PRIVATE[ ]KEY(?:[ ]BLOCK)?-----
      (?:[^-]|-(?!----))++ -----END[ ][A-Z0-9 ]{0,60}-----
    | (?:[a-z][a-z0-9+.]{1,20}://[^\s/:@]{0,64}:)(?P<password>[^\s/@]{1,128})(?=@)
    )""",
    re.VERBOSE | re.ASCII,
)


def secrets(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every secret, in order; of a URL, its password."""
    for found in _SHAPES.finditer(text):
        yield found.span("password" if found["password"] else 0)
