using Uml.CI.Agent.Exec;
using Uml.CI.Agent.Init;
using Uml.CI.Agent.Supervise;

namespace Uml.CI.Agent;

internal static class Program
{
    private const string Usage = """
        usage: uml-agent init        PID 1 of a guest (started by the guest kernel as /init)
               uml-agent supervise   owner of a guest's processes on the host (started by the library)
               uml-agent exec SOCKET COMMAND...
                                   runs a command in a guest that another process keeps (started by autopkgtest)
               uml-agent serve       what init becomes beside the init of the guest's own system (started by it)
        """;

    private static int Main(string[] arguments)
    {
        // The kernel starts /init with whatever is left of its command line, so being PID 1 decides, not the arguments.
        if (Environment.ProcessId == 1 && arguments is not ["supervise", ..] || arguments is ["init", ..])
            return GuestInit.Run();
        if (arguments is [InitHandover.Verb, ..])
            return GuestInit.Continue(arguments.AsSpan(1));
        if (arguments is ["supervise", ..])
            return Supervisor.Run(arguments.AsSpan(1));
        if (arguments is ["exec", var socket, ..])
            return ExecClient.Run(socket);

        Console.Error.WriteLine(Usage);
        return 2;
    }
}
