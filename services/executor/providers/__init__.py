"""Calls of providers over HTTP, as manifests describe them: plan → request → client → response → answer."""
