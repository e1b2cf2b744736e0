using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml autopkgtest-virt</c>: guests as the testbeds of Debian's autopkgtest.</summary>
internal static class AutopkgtestCommand
{
    // Of tests that compile something, and of the programs that autopkgtest itself runs.
    private const long DefaultMemory = 1024L * 1024 * 1024;

    public static Command Create()
    {
        var options = new GuestOptionSet();
        var init = new Option<string?>("--init") { HelpName = "systemd|init|none|PATH", Description = "The testbed's PID 1. Default: systemd if the root has it, else none: nothing runs but the tests" };
        var debug = new Option<bool>("--debug", "-d") { Description = "Tell everything that is done, on standard error" };
        var command = new Command("autopkgtest-virt", "Serve guests to Debian's autopkgtest: autopkgtest PACKAGE -- uml --root debian:trixie");
        options.AddTestbedTo(command);
        command.Options.Add(init);
        command.Options.Add(debug);
        command.SetAction((result, _) =>
        {
            if (options.Root(result) is null)
            {
                Message.Error("no testbed was named: --root debian:trixie, or another distribution, an image or a directory; see \"uml autopkgtest-virt --help\"");
                return Task.FromResult(ExitStatus.NotProvided);
            }

            RunRequest run = options.Read(result, [], shell: false);
            if (!options.HasMemory(result))
                run = run with { Guest = run.Guest with { Memory = DefaultMemory } };
            string? wanted = result.GetValue(init);
            return VirtualServer.RunAsync(new TestbedRequest
            {
                Run = run,
                Init = wanted is null or "none" ? null : InitSystem.Parse(wanted),
                FindInit = wanted is null,
                Debug = result.GetValue(debug),
            });
        });
        HelpText.Describe(command, "uml autopkgtest-virt --root ROOT [options]", """
            autopkgtest starts it, by the name autopkgtest-virt-uml, a program that lies beside uml. Every
            testbed is a guest of its own; to revert it is to boot another one. What a guest writes to a
            root that is an image is on the host's disk (--scratch) until then, if the host has mkfs.ext4,
            and such a testbed can reboot.

            Examples:
              autopkgtest hello -- uml --root debian:trixie
              autopkgtest ./hello_2.10-3.dsc -- uml --root debian:bookworm#systemd --memory 2G
            """);
        return command;
    }
}
