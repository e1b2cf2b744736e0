using Uml.CI.Wire;

namespace Uml.CI.Agent.Tests;

/// <summary>One clear line for everything that can keep a guest from starting, and nothing left behind.</summary>
public sealed class FailureTests : SupervisorFixture
{
    [Fact]
    public void A_missing_kernel()
    {
        using var supervisor = new SupervisorProcess();
        FailedMessage failure = supervisor.StartExpectingFailure(Kernel("") with { Kernel = "/does/not/exist/linux" });
        Assert.Equal("cannot execute the kernel /does/not/exist/linux: No such file or directory", failure.Text);
        Assert.Equal(2u, failure.Errno);
        Assert.Equal(0, supervisor.Reap());
        AssertNothingInBase();
    }

    [Fact]
    public void A_kernel_that_is_not_executable()
    {
        string kernel = $"{Base}/linux";
        File.WriteAllText(kernel, "");
        using var supervisor = new SupervisorProcess();
        FailedMessage failure = supervisor.StartExpectingFailure(Kernel("") with { Kernel = kernel });
        Assert.StartsWith($"cannot execute the kernel {kernel}: Permission denied; it must be executable", failure.Text, StringComparison.Ordinal);
        Assert.Equal([kernel], Directory.EnumerateFileSystemEntries(Base));
    }

    [Fact]
    public void A_kernel_that_is_no_program()
    {
        string kernel = $"{Base}/linux";
        File.WriteAllText(kernel, "\u0001\u0002");
        File.SetUnixFileMode(kernel, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        using var supervisor = new SupervisorProcess();
        FailedMessage failure = supervisor.StartExpectingFailure(Kernel("") with { Kernel = kernel });
        Assert.StartsWith($"cannot execute the kernel {kernel}: Exec format error", failure.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_base_directory_that_does_not_exist()
    {
        using var supervisor = new SupervisorProcess();
        StartGuestMessage options = Kernel("") with { BaseDirectory = $"{Base}/missing" };
        FailedMessage failure = supervisor.StartExpectingFailure(options);
        Assert.Equal($"cannot create the guest's directory {Base}/missing/{options.Name}: No such file or directory", failure.Text);
    }

    [Fact]
    public void A_base_directory_that_may_not_be_written()
    {
        Assert.SkipWhen(Native.GetUser() == 0, "root may write anywhere");
        string locked = Directory.CreateDirectory($"{Base}/locked").FullName;
        File.SetUnixFileMode(locked, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        using var supervisor = new SupervisorProcess();
        FailedMessage failure = supervisor.StartExpectingFailure(Kernel("") with { BaseDirectory = locked });
        Assert.EndsWith(": Permission denied", failure.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("a b")]
    [InlineData("ümlaut")]
    public void A_name_that_is_none(string name)
    {
        using var supervisor = new SupervisorProcess();
        FailedMessage failure = supervisor.StartExpectingFailure(Kernel("") with { Name = name });
        Assert.StartsWith($"\"{name}\" is no name for a guest's directory", failure.Text, StringComparison.Ordinal);
        AssertNothingInBase();
    }

    [Fact]
    public void A_relative_path()
    {
        using var first = new SupervisorProcess();
        Assert.Equal("the kernel \"linux\" is not an absolute path", first.StartExpectingFailure(Kernel("") with { Kernel = "linux" }).Text);
        using var second = new SupervisorProcess();
        Assert.Equal("the base directory \"tmp\" is not an absolute path", second.StartExpectingFailure(Kernel("") with { BaseDirectory = "tmp" }).Text);
    }

    [Fact]
    public void A_name_in_use_leaves_the_first_guest_alone()
    {
        string name = SupervisorProcess.NewName();
        using var first = new SupervisorProcess();
        GuestStartedMessage started = first.Start(Kernel("read line <&4; exit 5", name));
        using (var second = new SupervisorProcess())
        {
            FailedMessage failure = second.StartExpectingFailure(Kernel("", name));
            Assert.Equal($"cannot create the guest's directory {Base}/{name}: File exists", failure.Text);
        }

        Assert.True(File.Exists(started.KernelLog));
        first.Console.Send("go\n"u8);
        Assert.Equal(5u, first.ExpectEnd().Code);
    }

    [Fact]
    public void A_first_frame_that_is_not_a_start()
    {
        using var supervisor = new SupervisorProcess();
        supervisor.Stop(0);
        var failure = FailedMessage.Decode(supervisor.Expect(FrameType.GuestFailed).Payload.Span);
        Assert.Equal("the first frame is StopGuest, not StartGuest", failure.Text);
        Assert.Null(supervisor.Receive());
        Assert.Equal(0, supervisor.Reap());
    }

    [Fact]
    public void Bytes_that_are_no_frame_end_a_running_guest()
    {
        string mark = NewMark();
        using var supervisor = new SupervisorProcess();
        supervisor.Start(Kernel($"sleep {mark}"));
        supervisor.Control.Send(new byte[200]);
        Assert.True(supervisor.ExpectEnd().Killed);
        AssertNoneLeft(mark);
        AssertNothingInBase();
    }
}
