using Uml.CI.Wire;

namespace Uml.CI.Agent.Tests;

/// <summary>What a confined kernel can and cannot do to the host.</summary>
public sealed class ConfinementTests : SupervisorFixture
{
    [Fact]
    public void A_confined_kernel_changes_only_what_it_was_given()
    {
        string victim = $"{Base}/victim";
        File.WriteAllText(victim, "precious");
        using var supervisor = new SupervisorProcess();
        StartGuestMessage options = Kernel($$"""
            try() { if "$@" 2>/dev/null; then echo "$* -> done"; else echo "$* -> refused"; fi; }
            read line <&4
            try touch '{{Base}}/new'; try mkdir '{{Base}}/newdir'; try sh -c 'echo x > "{{victim}}"'; try sh -c 'echo x >> "{{victim}}"'
            try rm '{{victim}}'; try mv '{{victim}}' guest/victim; try ln '{{victim}}' guest/hard; try truncate -s 0 '{{victim}}'
            try cat '{{victim}}'; try ls '{{Base}}'; try touch kernel.log; try chmod 777 '{{victim}}'; try touch -d 2001-01-01 '{{victim}}'
            try chown $(id -u) '{{victim}}'
            try touch spool/planted; try ln -s /etc/passwd spool/link; try cat spool/handed; try rm spool/handed
            try sh -c ': > guest/mine'; try mkdir guest/dir; try sh -c 'echo x > /dev/null'
            try mknod guest/node c 1 3
            try kill -0 {{Environment.ProcessId}}
            echo end; read line <&4
            """, confine: true);
        GuestStartedMessage started = supervisor.Start(options);
        Assert.SkipUnless(started.Confinement.StartsWith("landlock:", StringComparison.Ordinal), "this host has no Landlock");
        int version = started.Confinement["landlock:".Length] - '0';
        Assert.Contains("metadata-filter", started.Confinement, StringComparison.Ordinal);
        File.WriteAllText($"{started.Spool}/handed", "over\n");
        var before = File.GetLastWriteTimeUtc(victim);
        supervisor.Console.Send("go\n"u8);

        string log = "";
        SupervisorProcess.Eventually(() => (log = File.ReadAllText(started.KernelLog)).Contains("end\n", StringComparison.Ordinal), "no log");
        string[] lines = log.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[] allowed = lines.Where(line => line.EndsWith("-> done", StringComparison.Ordinal)).ToArray();
        string[] expected =
        [
            "cat spool/handed -> done", "rm spool/handed -> done", "sh -c : > guest/mine -> done", "mkdir guest/dir -> done", "sh -c echo x > /dev/null -> done",
        ];

        // Signals are scoped from version 6 on.
        Assert.Equal(expected, allowed.Where(line => version >= 6 || !line.StartsWith("kill", StringComparison.Ordinal)));
        Assert.Equal(["end"], lines.Where(line => !line.Contains(" -> ", StringComparison.Ordinal) && line != "over"));
        Assert.Equal("precious", File.ReadAllText(victim));
        Assert.Equal(before, File.GetLastWriteTimeUtc(victim));
    }

    [Fact]
    public void A_write_path_may_be_changed_and_has_no_metadata_filter()
    {
        string share = Directory.CreateDirectory($"{Base}/share").FullName;
        using var supervisor = new SupervisorProcess();
        StartGuestMessage options = Kernel("""
            cd "$HOME/../share" && touch made && chmod 750 made && mkdir d && mv made d/moved && ln d/moved linked && ln -s d s && echo ok
            touch ../outside || echo refused; read line <&4
            """, confine: true) with { WritePaths = [share] };
        GuestStartedMessage started = supervisor.Start(options);
        Assert.SkipUnless(started.Confinement.StartsWith("landlock:", StringComparison.Ordinal), "this host has no Landlock");
        Assert.DoesNotContain("metadata-filter", started.Confinement, StringComparison.Ordinal);
        string log = "";
        SupervisorProcess.Eventually(() => (log = File.ReadAllText(started.KernelLog)).Contains("refused", StringComparison.Ordinal), "no log");
        Assert.Contains("ok\n", log, StringComparison.Ordinal);
        Assert.True(File.Exists($"{share}/d/moved"));
        Assert.False(File.Exists($"{Base}/outside"));
    }

    [Fact]
    public void Without_confinement_none_is_claimed()
    {
        using var supervisor = new SupervisorProcess();
        GuestStartedMessage started = supervisor.Start(Kernel("read line <&4", confine: false));
        Assert.DoesNotContain("landlock", started.Confinement, StringComparison.Ordinal);
        Assert.DoesNotContain("filter", started.Confinement, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_that_may_not_read_its_loader_says_so()
    {
        using var supervisor = new SupervisorProcess();
        StartGuestMessage options = Kernel("exit 0", confine: true) with { ReadPaths = ["/does/not/exist"] };
        supervisor.Send(FrameType.StartGuest, 0, options.Encode);
        ReceivedFrame frame = supervisor.Receive() ?? throw new InvalidOperationException("no answer");
        Assert.SkipWhen(frame.Type == FrameType.GuestStarted, "this host has no Landlock");
        Assert.Equal(FrameType.GuestFailed, frame.Type);
        Assert.Contains("and so must its loader", FailedMessage.Decode(frame.Payload.Span).Text, StringComparison.Ordinal);
        AssertNothingInBase();
    }
}
