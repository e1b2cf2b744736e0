namespace Microsoft.Build.Framework;

/// <summary>
/// Says that a task may run beside others in one process: it uses neither the current directory nor changes the environment.
/// MSBuild looks for the name, so an attribute of one's own also serves, and does no harm where MSBuild knows none.
/// </summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
internal sealed class MSBuildMultiThreadableTaskAttribute : Attribute;
