// Ask a server of tasks with the client of Vercel's AI SDK: `node vercel_client.mjs URL`.
import { createMCPClient } from "@ai-sdk/mcp";

const client = await createMCPClient({ transport: { type: "http", url: process.argv[2] } });
const tools = await client.tools();
const result = await tools.about.execute({ movie: "Jaws" }, { toolCallId: "1", messages: [] });
console.log(JSON.stringify({ names: Object.keys(tools), result }));
await client.close();
