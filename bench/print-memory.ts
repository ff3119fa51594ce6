/** For `--import`: prints the most memory that the process had, when it ends. */
process.on('exit', () => {
  console.error(`most memory: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
});
