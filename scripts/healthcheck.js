// The health check of containers: exits with 0 if the service of this container reports that it is ready.
const host = process.env.HOST || '127.0.0.1';
const port = process.env.PORT || '8080';
/** The address to call: the service's own, or loopback for a service that listens on all addresses. */
const own = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
const response = await fetch(`http://${own.includes(':') ? `[${own}]` : own}:${port}/health/ready`).catch(() => null);
process.exit(response?.ok ? 0 : 1);
