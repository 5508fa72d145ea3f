"""The shared service runtime: settings, logs, lifecycle, PostgreSQL, gRPC and NATS. It knows no service."""
