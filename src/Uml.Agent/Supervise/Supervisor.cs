namespace Uml.CI.Agent.Supervise;

internal static class Supervisor
{
    public static int Run() => 0;
}
