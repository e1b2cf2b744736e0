namespace Uml.CI.Agent.Init;

internal static class GuestInit
{
    public static int Run() => 0;
}
