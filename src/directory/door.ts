// The door to the control plane: the one place that makes its stub.

export function directoryStub(env: Env) {
  return env.DIRECTORY.getByName('directory')
}
