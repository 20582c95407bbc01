// For containers: exits 0 when the service of this container says that it is ready.
const { PORT = '8080' } = process.env;
const response = await fetch(`http://127.0.0.1:${PORT}/health/ready`).catch(() => null);
process.exit(response?.ok ? 0 : 1);
