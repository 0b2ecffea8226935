export async function wakeFollowers(_env: Env): Promise<void> {}
