using System.Net.Sockets;
using System.Security.Cryptography;

namespace Uml.CI.Tests;

public sealed class SocketsOnOldKernel(OldGuest shared) : SocketTests(shared.Guest), IClassFixture<OldGuest>;

public sealed class SocketsOnNewKernel(NewGuest shared) : SocketTests(shared.Guest), IClassFixture<NewGuest>;

/// <summary>A unix socket in a guest leads to one of the host.</summary>
public abstract class SocketTests(Guest guest) : IDisposable
{
    // Sends what it reads, closes its sending side only with the connection, prints the answer.
    private const string Client = """
        use Socket; my ($path, $answer) = @ARGV; binmode STDIN; binmode STDOUT;
        socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!"; connect($s, sockaddr_un($path)) or die "connect: $!\n";
        local $/; my $data = <STDIN>;
        while (length $data) { my $n = syswrite($s, $data, 65536) or die "write: $!"; substr($data, 0, $n) = ""; }
        while ($answer > 0) { my $n = sysread($s, my $b, $answer) or die "closed\n"; print $b; $answer -= $n; }
        """;

    private readonly string _directory = Directory.CreateTempSubdirectory("uml socket ").FullName;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string HostSocket => Path.Combine(_directory, "s");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Bytes_pass_in_both_directions()
    {
        byte[] sent = RandomNumberGenerator.GetBytes(3_000_000);
        using Socket listener = Listen();
        await using SocketForward forward = await guest.ForwardSocketAsync($"/tmp/new directory/{Guid.NewGuid():N}", HostSocket, Cancel);
        Task<byte[]> echo = EchoAsync(listener, sent.Length);

        (GuestExit exit, byte[] answer) = await ConnectAsync(forward.GuestPath, sent, sent.Length);

        Assert.True(exit.Success);
        Assert.Equal(sent, answer);
        Assert.Equal(sent, await echo);
    }

    [Fact]
    public async Task Many_connections_at_once_are_kept_apart()
    {
        const int connections = 12;
        using Socket listener = Listen();
        await using SocketForward forward = await guest.ForwardSocketAsync($"/tmp/{Guid.NewGuid():N}", HostSocket, Cancel);
        Task[] echoes = [.. Enumerable.Range(0, connections).Select(_ => EchoAsync(listener, 1000))];

        await Task.WhenAll(Enumerable.Range(0, connections).Select(async i =>
        {
            byte[] sent = [.. Enumerable.Repeat((byte)i, 1000)];
            (GuestExit exit, byte[] answer) = await ConnectAsync(forward.GuestPath, sent, sent.Length);
            Assert.True(exit.Success);
            Assert.Equal(sent, answer);
        }));
        await Task.WhenAll(echoes);
        Assert.False(forward.Abandoned.IsCompleted);
    }

    [Fact]
    public async Task What_a_program_sent_before_it_ended_reaches_the_host()
    {
        using Socket listener = Listen();
        await using SocketForward forward = await guest.ForwardSocketAsync($"/tmp/{Guid.NewGuid():N}", HostSocket, Cancel);
        for (int i = 0; i < 20; i++)
        {
            Task<byte[]> reading = ReceiveAsync(listener);
            await ConnectAsync(forward.GuestPath, [.. Enumerable.Repeat((byte)i, 100_000)], 0);
            await forward.DrainAsync(Cancel);
            Assert.Equal(100_000, (await reading).Length);
        }
    }

    [Fact]
    public async Task Without_anybody_on_the_host_the_connection_ends_and_the_owner_is_told()
    {
        await using SocketForward forward = await guest.ForwardSocketAsync($"/tmp/{Guid.NewGuid():N}", HostSocket, Cancel);

        (GuestExit exit, _) = await ConnectAsync(forward.GuestPath, [1], 1);

        Assert.False(exit.Success);
        await forward.Abandoned.WaitAsync(TimeSpan.FromSeconds(30), Cancel);
    }

    [Fact]
    public async Task A_host_that_hangs_up_is_seen_in_the_guest_and_told()
    {
        using Socket listener = Listen();
        await using SocketForward forward = await guest.ForwardSocketAsync($"/tmp/{Guid.NewGuid():N}", HostSocket, Cancel);
        Task<(GuestExit Exit, byte[])> client = ConnectAsync(forward.GuestPath, [1], 10);
        using (Socket connection = await listener.AcceptAsync(Cancel))
            await connection.SendAsync(new byte[3], Cancel);

        Assert.False((await client).Exit.Success);
        await forward.Abandoned.WaitAsync(TimeSpan.FromSeconds(30), Cancel);
    }

    [Fact]
    public async Task A_guest_that_panics_does_not_look_like_a_host_that_hung_up()
    {
        for (int i = 0; i < 10; i++)
        {
            using Socket listener = Listen();
            Guest own = await Guests.StartAsync(guest.Options.Kernel.ToString());
            await using SocketForward forward = await own.ForwardSocketAsync("/tmp/s", HostSocket, Cancel);
            Task<ExecResult> client = own.ExecAsync(["perl", "-e", Client.Replace("my $data = <STDIN>;", "sysread($s, my $go, 1); open(F, '>/proc/sysrq-trigger'); print F 'c'; close F; my $data = '';", StringComparison.Ordinal), "/tmp/s", "1"], Cancel);
            using Socket connection = await listener.AcceptAsync(Cancel);
            await connection.SendAsync(new byte[1], Cancel);

            await Assert.ThrowsAsync<KernelPanicException>(() => client);

            await own.DisposeAndVerify();
            Assert.Equal(0, await connection.ReceiveAsync(new byte[1], Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(30), Cancel));
            Assert.False(forward.Abandoned.IsCompleted);
            File.Delete(HostSocket);
        }
    }

    [Fact]
    public async Task A_socket_is_replaced_and_a_file_is_not()
    {
        using Socket listener = Listen();
        string path = $"/tmp/{Guid.NewGuid():N}";
        Assert.True((await guest.ExecAsync(["perl", "-MSocket", "-e", "socket(S,PF_UNIX,SOCK_STREAM,0);bind(S,sockaddr_un($ARGV[0])) or die", path], Cancel)).Success);
        await using (await guest.ForwardSocketAsync(path, HostSocket, Cancel))
        {
        }

        ExecException e = await Assert.ThrowsAsync<ExecException>(() => guest.ForwardSocketAsync("/etc/passwd", HostSocket, Cancel));
        Assert.Contains("/etc/passwd", e.Message, StringComparison.Ordinal);
        Assert.True((await guest.ExecAsync(["test", "-s", "/etc/passwd"], Cancel)).Success);
    }

    [Theory]
    [InlineData("relative")]
    [InlineData("/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678")]
    public async Task A_path_that_cannot_be_one_is_named(string path)
    {
        ExecException e = await Assert.ThrowsAsync<ExecException>(() => guest.ForwardSocketAsync(path, HostSocket, Cancel));
        Assert.Contains(path, e.Message, StringComparison.Ordinal);
    }

    private Socket Listen()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(HostSocket));
        socket.Listen();
        return socket;
    }

    private static async Task<byte[]> EchoAsync(Socket listener, int length)
    {
        using Socket connection = await listener.AcceptAsync(Cancel);
        byte[] all = new byte[length];
        for (int received = 0; received < length;)
        {
            int n = await connection.ReceiveAsync(all.AsMemory(received), Cancel);
            Assert.True(n > 0, $"the connection ended after {received} bytes");
            for (int sent = 0; sent < n;)
                sent += await connection.SendAsync(all.AsMemory(received + sent, n - sent), Cancel);
            received += n;
        }

        // Until the other side has closed.
        Assert.Equal(0, await connection.ReceiveAsync(new byte[1], Cancel));
        return all;
    }

    private static async Task<byte[]> ReceiveAsync(Socket listener)
    {
        using Socket connection = await listener.AcceptAsync(Cancel);
        await using var stream = new NetworkStream(connection);
        using var all = new MemoryStream();
        await stream.CopyToAsync(all, Cancel);
        return all.ToArray();
    }

    private async Task<(GuestExit Exit, byte[] Answer)> ConnectAsync(string path, byte[] bytes, int answer)
    {
        GuestProcess client = await guest.StartProcessAsync(new ExecOptions("perl", "-e", Client, path, $"{answer}") { RedirectStandardInput = true }, Cancel);
        using var output = new MemoryStream();
        Task reading = client.StandardOutput.CopyToAsync(output, Cancel);
        await client.StandardInput.WriteAsync(bytes, Cancel);
        await client.StandardInput.DisposeAsync();
        GuestExit exit = await client.WaitAsync(Cancel);
        await reading;
        return (exit, output.ToArray());
    }
}
