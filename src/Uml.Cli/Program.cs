using Uml.CI.Cli;

return await CommandLine.RunAsync(args);
