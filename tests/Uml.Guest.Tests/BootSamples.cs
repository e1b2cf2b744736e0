namespace Uml.CI.Tests;

/// <summary>Boots to chart.</summary>
internal static class BootSamples
{
    /// <summary>A short form of what a 7.2 kernel says.</summary>
    public static IReadOnlyList<BootLogLine> Sid { get; } =
    [
        At(7.5, "Core dump limits :"),
        At(8, "Checking that seccomp filters can be installed...OK"),
        At(12, "Linux version 7.2.7 (gcc) #1"),
        At(12, "printk: legacy console [stderr0] enabled"),
        At(14, "entering initcall level: early"),
        At(14.1, "calling  trace_init+0x0/0x10 @ 1"),
        At(14.4, "initcall trace_init+0x0/0x10 returned 0 after 200 usecs"),
        At(15, "entering initcall level: core"),
        At(15.1, "calling  param_sysfs_init+0x0/0x42 @ 1"),
        At(18.2, "initcall param_sysfs_init+0x0/0x42 returned 0 after 3000 usecs"),
        At(20, "entering initcall level: device"),
        At(20.1, "Trying to unpack rootfs image as initramfs..."),
        At(23, "calling  init_jfs_fs+0x0/0x2b1 @ 1"),
        At(27.6, "initcall init_jfs_fs+0x0/0x2b1 returned 0 after 4500 usecs"),
        At(28, "calling  raid6+0x0/0x2 @ 1"),
        At(28.1, "initcall raid6+0x0/0x2 returned -19 after 40 usecs"),
        At(30, "Freeing initrd memory: 2856K"),
        At(31, "entering initcall level: late"),
        At(32, "calling  stdio_init+0x0/0x148 @ 1"),
        At(33.3, "initcall stdio_init+0x0/0x148 returned 0 after 1320 usecs"),
        At(39, "Run /init as init process"),
        At(42, "uml-agent: reached agent"),
        At(43, "uml-agent: reached devices"),
        At(43.5, "uml-agent: reached line"),
        At(45, "uml-agent: reached order"),
        At(46, "calling  ovl_init+0x0/0x1000 [overlay] @ 1"),
        At(46.1, "initcall ovl_init+0x0/0x1000 [overlay] returned 0 after 19 usecs"),
        At(48, "uml-agent: reached root"),
        At(49.8, "uml-agent: reached ready"),
        At(68, "reboot: Power down"),
    ];

    public static BootMeasurement Measure(BootTimeline boot) => new()
    {
        Subject = new BootSubject
        {
            Release = "7.2.7",
            Reference = "debian:sid (package 7.2um1)",
            CommandLine = "mem=512M initrd={initramfs} con=null console=tty0 seccomp=auto a=<b>&\"c\" initcall_debug",
            Guest = "root host, 512M of memory, 1 CPU",
            Command = "true",
            Host = "Linux 6.18.0, 2 CPUs, X64",
        },
        Shown = boot,
        Traced = [boot],
        Plain = [TimeSpan.FromMilliseconds(51.5)],
    };

    private static BootLogLine At(double milliseconds, string text) => new(TimeSpan.FromMilliseconds(milliseconds), text);
}
